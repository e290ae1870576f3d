"""The scripts by which shells ask for completions; each line of an answer is a kind, a text and a meaning."""

from __future__ import annotations

from collections.abc import Mapping

_BASH = """\
# Completion of hermpkg for bash. In ~/.bashrc:  eval "$(hermpkg completion bash)"
_hermpkg() {
    local line=${COMP_LINE:0:COMP_POINT} kind text meaning rest current=
    # The words of bash end at colons and equal signs, those of hermpkg at blanks.
    local -a words=()
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    rest=${COMP_WORDBREAKS//[^:=]/}
    local before=
    [[ -n $rest && $current == *["$rest"]* ]] && before=${current%"${current##*["$rest"]}"}
    COMPREPLY=()
    while IFS=$'\\t' read -r kind text meaning; do
        case $kind in
            word) COMPREPLY+=("${text#"$before"} ") ;;
            part) COMPREPLY+=("${text#"$before"}") ;;
            files | folders)
                local -a found=()
                local option=-f
                [[ $kind == folders ]] && option=-d
                mapfile -t found < <(compgen "$option" -- "${current#"$text"}")
                if ((${#found[@]})); then
                    compopt -o filenames +o nospace 2>/dev/null
                    COMPREPLY+=("${found[@]}")
                fi
                ;;
        esac
    done < <(command "${words[0]}" completion answer -- "${words[@]}" 2>/dev/null)
}
complete -o nospace -o nosort -F _hermpkg hermpkg
"""

_ZSH = """\
#compdef hermpkg
# Completion of hermpkg for zsh. In ~/.zshrc, behind compinit:  eval "$(hermpkg completion zsh)"
_hermpkg() {
    local kind text meaning shown
    local -a words_now whole whole_shown parts parts_shown
    words_now=("${(@Q)words[1,CURRENT]}")
    words_now[CURRENT]=${PREFIX}
    while IFS=$'\\t' read -r kind text meaning; do
        shown=$text
        [[ -n $meaning ]] && shown="$text  -- $meaning"
        case $kind in
            word) whole+=("$text"); whole_shown+=("$shown") ;;
            part) parts+=("$text"); parts_shown+=("$shown") ;;
            files) compset -P ${#text} '*'; _files ;;
            folders) compset -P ${#text} '*'; _files -/ ;;
        esac
    done < <(command ${words_now[1]} completion answer -- "${words_now[@]}" 2>/dev/null)
    (( $#whole )) && compadd -l -d whole_shown -- "${whole[@]}"
    (( $#parts )) && compadd -l -S '' -d parts_shown -- "${parts[@]}"
    return 0
}
if (( $+functions[compdef] )); then
    compdef _hermpkg hermpkg
fi
"""

_FISH = """\
# Completion of hermpkg for fish. In ~/.config/fish/config.fish:  hermpkg completion fish | source
function __hermpkg_answer
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (command $words[1] completion answer -- $words "$current" 2>/dev/null)
        set -l parts (string split \\t -- $line)
        switch $parts[1]
            case word part
                printf '%s\\t%s\\n' $parts[2] "$parts[3]"
            case files
                __fish_complete_path (string replace -- "$parts[2]" '' "$current")
            case folders
                __fish_complete_directories (string replace -- "$parts[2]" '' "$current")
        end
    end
end
complete -c hermpkg -f -a '(__hermpkg_answer)'
"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
