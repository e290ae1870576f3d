# Builds examples/vision in two folders that share nothing, compares the bytes, and runs its package_test.
set -eu
cd "$(dirname "$0")/.."
rm -rf build/demo
mkdir -p build/demo
cp -R examples/vision build/demo/here
mkdir -p "build/demo/somewhere else entirely"
cp -R examples/vision "build/demo/somewhere else entirely/copy"
rm -rf build/demo/here/hermpkg-out "build/demo/somewhere else entirely/copy/hermpkg-out"

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

cd build/demo/here
export HERMPKG_CACHE_DIR="$PWD/../cache"
run hermpkg //models:resnet
run hermpkg //models:resnet
run hermpkg test //models:resnet_test
run hermpkg why //models:resnet models.layers

printf '\n# The same sources at another path, with another cache, hash seed, time zone and home:\n'
cd "../somewhere else entirely/copy"
export HERMPKG_CACHE_DIR="$PWD/../another cache" PYTHONHASHSEED=7 TZ=Asia/Tokyo HOME="$PWD/.."
run hermpkg //models:resnet
cd ../..

printf '\n$ sha256sum */hermpkg-out/models/resnet.pt\n'
python - here "somewhere else entirely/copy" <<'PYTHON'
import hashlib
import sys

digests = set()
for folder in sys.argv[1:]:
    with open(f"{folder}/hermpkg-out/models/resnet.pt", "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    digests.add(digest)
    print(digest, f"{folder}/hermpkg-out/models/resnet.pt")
if len(digests) > 1:
    sys.exit("the bytes differ")
print("\nThe same bytes.")
PYTHON
