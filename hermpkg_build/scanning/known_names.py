"""What functions and modules can do, by their names: the words for findings.

That something is in no table says nothing of it: pickles are judged by `harmless`, never by this list.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import cache

OPERATORS = ("torch", "ops", "aten")
"""What TorchScript calls its operators by, without an import."""


class Capability(str, enum.Enum):
    """The kinds of things that code can do beyond computing."""

    PROCESSES = "starts processes"
    NETWORK = "opens network connections"
    WRITES = "writes or deletes files"
    EVALUATES = "evaluates text as code"
    NATIVE = "loads native code"
    UNPICKLES = "unpickles"
    IMPORTS = "changes how modules are imported"
    INTERNALS = "reaches into the interpreter"
    COMPUTED = "uses a name that is computed"
    COMPUTED_IMPORT = "imports a module whose name is computed"
    READS = "reads files"
    ENVIRONMENT = "reads or changes the environment"
    THREADS = "starts threads or handles signals"

    __str__ = str.__str__

    @property
    def is_dangerous(self) -> bool:
        """Whether it can harm by itself; reading, the environment and threads cannot without another."""
        return self not in _MILD

    @property
    def word(self) -> str:
        """Its name in policies and options: ``processes``."""
        return self.name.lower().replace("_", "-")


_MILD = frozenset({Capability.READS, Capability.ENVIRONMENT, Capability.THREADS})

# Names below a module that stands alone are all those in it. Of several that match, the longest counts.
_NAMES: Mapping[Capability, str] = {
    Capability.PROCESSES: """
        subprocess _posixsubprocess multiprocessing.Process multiprocessing.Pool multiprocessing.Manager
        multiprocessing.get_context multiprocessing.set_executable multiprocessing.context
        multiprocessing.pool multiprocessing.process multiprocessing.popen_fork multiprocessing.managers
        multiprocessing.spawn multiprocessing.util concurrent.futures.ProcessPoolExecutor pty.spawn
        pexpect os.system os.popen os.popen2 os.popen3 os.popen4 os.startfile os.fork os.forkpty
        os.execl os.execle os.execlp os.execlpe os.execv os.execve os.execvp os.execvpe os.spawnl
        os.spawnle os.spawnlp os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe os.posix_spawn
        os.posix_spawnp os.kill os.killpg asyncio.create_subprocess_exec asyncio.create_subprocess_shell
        asyncio.subprocess asyncio.unix_events asyncio.base_events.BaseEventLoop.subprocess_exec
        commands popen2 platform.popen webbrowser antigravity pip ensurepip venv distutils.spawn
        setuptools psutil.Popen sh plumbum fabric invoke pydoc.pipepager pydoc.tempfilepager
        torch.multiprocessing.spawn torch.multiprocessing.start_processes torch.multiprocessing.Process
        torch.multiprocessing.Pool torch.multiprocessing.get_context torch.multiprocessing.Manager
        torch.multiprocessing.ProcessContext torch.multiprocessing.SpawnContext torch.distributed.run
        torch.distributed.elastic torch.utils.collect_env numpy.distutils _aix_support._read_cmd_output
        uuid._get_command_stdout ctypes.util._findLib_gcc _osx_support torch._inductor.codecache
        idlelib.pyshell.ModifiedInterpreter
    """,
    Capability.NETWORK: """
        socket ssl _ssl socketserver urllib.request urllib.error urllib3 urllib.urlopen
        urllib.urlretrieve urllib2 http.client http.server httplib ftplib smtplib smtpd poplib imaplib
        nntplib telnetlib xmlrpc requests httpx aiohttp websockets websocket paramiko boto3 botocore
        google.cloud azure huggingface_hub torch.hub torch.distributed.rpc wandb mlflow gdown
        asyncio.open_connection asyncio.start_server asyncio.start_unix_server
        asyncio.open_unix_connection asynchat asyncore grpc zmq tensorflow.io.gfile fsspec smart_open
        wsgiref.simple_server logging.handlers.SocketHandler logging.handlers.DatagramHandler
        logging.handlers.HTTPHandler logging.handlers.SMTPHandler logging.handlers.SysLogHandler
        multiprocessing.connection
    """,
    Capability.WRITES: """
        os.remove os.unlink os.rmdir os.removedirs os.rename os.renames os.replace os.mkdir os.makedirs
        os.link os.symlink os.chmod os.chown os.lchown os.lchmod os.fchmod os.fchown os.truncate
        os.ftruncate os.write os.pwrite os.writev os.mkfifo os.mknod os.utime os.chroot os.chflags
        os.sendfile os.copy_file_range os.setxattr os.removexattr os.open os.fdopen shutil.rmtree
        shutil.move shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.copyfileobj
        shutil.copymode shutil.copystat shutil.chown shutil.make_archive shutil.unpack_archive tempfile
        pathlib.Path.write_text pathlib.Path.write_bytes pathlib.Path.unlink pathlib.Path.rmdir
        pathlib.Path.mkdir pathlib.Path.touch pathlib.Path.rename pathlib.Path.replace
        pathlib.Path.chmod pathlib.Path.symlink_to pathlib.Path.hardlink_to zipfile.ZipFile.extract
        zipfile.ZipFile.extractall tarfile.TarFile.extract tarfile.TarFile.extractall sqlite3 _sqlite3
        dbm mailbox winreg numpy.save numpy.savez numpy.savez_compressed numpy.savetxt
        numpy.ndarray.tofile numpy.memmap numpy.lib.format.open_memmap torch.save torch.jit.save
        torch.from_file safetensors.torch.save_file torch.utils.tensorboard logging.FileHandler
        logging.handlers.RotatingFileHandler aten.save ops.aten.save ops.aten.from_file
        logging.handlers.TimedRotatingFileHandler logging.handlers.WatchedFileHandler py_compile
        compileall distutils.file_util distutils.dir_util lib2to3.refactor cgi.FieldStorage codecs.open
        io.open io.FileIO io.open_code gzip.open bz2.open lzma.open mmap.mmap
    """,
    Capability.EVALUATES: """
        builtins.eval builtins.exec builtins.compile builtins.execfile code codeop runpy
        types.FunctionType types.CodeType types.LambdaType marshal timeit.timeit timeit.Timer
        timeit.repeat timeit.main cProfile.run cProfile.runctx profile.run profile.runctx pdb bdb trace
        doctest pydoc importlib._bootstrap_external.SourceLoader.exec_module
        torch._dynamo.guards.GuardBuilder.get numpy.testing._private.utils.runstring
        torch.fx.experimental.symbolic_shapes.ShapeEnv torch.utils.bottleneck.__main__.run_cprofile
        torch.utils.bottleneck.__main__.run_autograd_prof torch._dynamo.guards
        torch.jit.unsupported_tensor_ops.execWrapper torch.utils._config_module.ConfigModule.load_config
        torch.distributed.distributed_c10d._object_to_tensor pandas.eval numexpr.evaluate sympy.sympify
        sympy.parsing ensurepip._run_pip idlelib.autocomplete.AutoComplete.get_entity
        idlelib.autocomplete.AutoComplete.fetch_completions idlelib.calltip.Calltip.fetch_tip
        idlelib.calltip.get_entity idlelib.debugobj.ObjectTreeItem idlelib.run.Executive
        lib2to3.pgen2.pgen.ParserGenerator.make_label
        asyncio.unix_events._UnixSubprocessTransport._start pkgutil.resolve_name logging.config
        numpy.f2py.crackfortran test.support _pyrepl.pager code.InteractiveInterpreter
        cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle._builtin_type
        cloudpickle.cloudpickle.subimport dill._dill._create_function dill._dill._create_code
        dill._dill._import_module dill._dill._get_attr keras.src.ops.numpy.Lambda keras.layers.Lambda
        torch._C._jit_pass_fixup_onnx_controlflow_node
    """,
    Capability.NATIVE: """
        ctypes _ctypes cffi _cffi_backend numpy.ctypeslib numpy.f2py torch.utils.cpp_extension
        torch.ops.load_library torch.classes.load_library torch._ops.load_library
        importlib.machinery.ExtensionFileLoader imp.load_dynamic _imp.create_dynamic _imp.exec_dynamic
        cppyy pybind11 numba.cffi_support triton.compile torch.utils.mobile_optimizer
        sqlite3.Connection.load_extension torch._export.aot_load torch._inductor.aoti_load_package
        torch.backends.opt_einsum tensorflow.load_op_library
        onnxruntime.SessionOptions.register_custom_ops_library
    """,
    Capability.UNPICKLES: """
        pickle dill cloudpickle joblib.load joblib.numpy_pickle.load joblib.numpy_pickle._unpickle
        joblib.numpy_pickle.load_temporary_memmap joblib.numpy_pickle.NumpyUnpickler
        joblib.numpy_pickle_compat torch.load torch.jit.load torch.package
        torch.serialization.load torch.serialization._load torch.serialization._legacy_load
        torch.storage._load_from_bytes torch.distributed.checkpoint numpy.load numpy.lib.npyio
        numpy.lib.format.read_array numpy._core.multiarray.fromfile pandas.read_pickle pandas.io.pickle
        shelve yaml.load yaml.unsafe_load yaml.full_load yaml.UnsafeLoader yaml.Loader jsonpickle hickle
        multiprocessing.reduction copyreg.__newobj__ tensorflow.keras.models.load_model
        keras.models.load_model sklearn.externals.joblib torch.utils._pytree.treespec_loads
        torch._utils_internal torch.jit._pickle.load torch.fx.graph_module.reduce_graph_module
        torch.fx.graph_module._deserialize_graph_module
        torch.fx.graph_module.reduce_package_graph_module hermpkg_build.PackageImporter
        logging.config.listen torch.distributed.distributed_c10d._tensor_to_object
    """,
    Capability.IMPORTS: """
        sys.modules sys.path sys.meta_path sys.path_hooks sys.path_importer_cache importlib.machinery
        importlib.abc importlib.util.spec_from_file_location importlib.util.module_from_spec
        importlib.util.spec_from_loader importlib.util.find_spec importlib.util.LazyLoader
        importlib.reload importlib.invalidate_caches importlib._bootstrap importlib._bootstrap_external
        imp _imp zipimport site pkgutil.extend_path pkgutil.ImpImporter pkgutil.ImpLoader
        pkgutil.get_loader pkgutil.find_loader pkg_resources builtins.__import__ importlib.import_module
        importlib.__import__ importlib.metadata.EntryPoint.load
    """,
    Capability.INTERNALS: """
        sys.settrace sys.setprofile sys._getframe sys._current_frames sys.addaudithook
        sys.setrecursionlimit sys.excepthook sys.displayhook sys.unraisablehook sys._clear_type_cache
        gc.get_objects gc.get_referrers gc.get_referents inspect.currentframe inspect.stack
        inspect.trace builtins.globals builtins.locals builtins.vars builtins.breakpoint
        builtins.__build_class__ builtins.__loader__ builtins.__spec__ unittest.mock.patch
        sys.breakpointhook faulthandler threading.settrace threading.setprofile copyreg.add_extension
        copyreg.pickle codecs.register _testcapi _testinternalcapi _xxsubinterpreters types.FrameType
    """,
    Capability.READS: """
        os.listdir os.scandir os.walk os.fwalk os.stat os.lstat os.read os.pread os.readlink os.access
        glob fileinput linecache pathlib.Path.read_text pathlib.Path.read_bytes pathlib.Path.open
        pathlib.Path.iterdir pathlib.Path.glob pathlib.Path.rglob tokenize.open zipfile.ZipFile
        tarfile.open tarfile.TarFile numpy.fromfile numpy.loadtxt numpy.genfromtxt json.load
        configparser netrc pwd grp spwd inspect.getsource inspect.getsourcelines importlib.resources
        importlib_resources pkgutil.get_data importlib.metadata os.path.exists os.path.isfile
        os.path.isdir safetensors.safe_open safetensors.torch.load_file PIL.Image.open torchaudio.load
        torchvision.io getpass platform dircache
    """,
    Capability.ENVIRONMENT: """
        os.environ os.environb os.getenv os.getenvb os.putenv os.unsetenv os.chdir os.fchdir os.umask
        os.setuid os.setgid os.seteuid os.setegid os.setreuid os.setresuid os.setsid os.nice os._exit
        os.abort resource builtins.exit builtins.quit sys.exit os.getcwd locale.setlocale
    """,
    Capability.THREADS: """
        threading _thread thread dummy_threading concurrent.futures.ThreadPoolExecutor signal
        asyncio.run asyncio.to_thread asyncio.new_event_loop
    """,
}

_BENIGN = """
    multiprocessing.cpu_count multiprocessing.current_process multiprocessing.parent_process
    socket.gethostname socket.error socket.timeout socket.gaierror subprocess.PIPE subprocess.DEVNULL
    subprocess.STDOUT subprocess.CalledProcessError subprocess.TimeoutExpired subprocess.SubprocessError
    pickle.PicklingError pickle.UnpicklingError pickle.PickleError pickle.HIGHEST_PROTOCOL
    pickle.DEFAULT_PROTOCOL pickle.dumps pickle.dump pickle.Pickler cloudpickle.dumps cloudpickle.dump
    dill.dumps dill.dump marshal.dumps urllib.error requests.exceptions requests.Response
    tempfile.gettempdir torch.package.PackageExporter torch.distributed.checkpoint.state_dict
    code.InteractiveConsole.prompt setuptools.find_packages numpy.lib.npyio.NpzFile
    yaml.Loader.construct_mapping ssl.SSLError http.client.HTTPException signal.Signals signal.SIGTERM
    signal.SIGINT signal.SIGKILL sqlite3.Error wandb.errors importlib.machinery.ModuleSpec
    importlib.util.find_spec importlib.abc.Loader huggingface_hub.utils torch.multiprocessing.cpu_count
    joblib.numpy_pickle_utils copyreg.pickle
"""

TWINS = {
    "posix": "os",
    "nt": "os",
    "_operator": "operator",
    "__builtin__": "builtins",
    "_pickle": "pickle",
    "cPickle": "pickle",
    "_socket": "socket",
    "_io": "io",
    "_pyio": "io",
}


@cache
def _table() -> Mapping[str, Capability | None]:
    known = {name: capability for capability, names in _NAMES.items() for name in names.split()}
    return {**known, **dict.fromkeys(_BENIGN.split())}


@cache
def known_tops() -> frozenset[str]:
    """The first segments of all names that something is known of."""
    return frozenset(name.partition(".")[0] for name in _table())


def capability_of(name: str) -> Capability | None:
    """What the function, class or module with the dotted `name` can do; None where nothing is known.

    A module's members do what the module does: ``socket.socket`` as ``socket``.

    >>> capability_of("os.system"), capability_of("posix.system")
    (<Capability.PROCESSES: 'starts processes'>, <Capability.PROCESSES: 'starts processes'>)
    """
    top, dot, rest = ".".join(name.split(".", MOST_SEGMENTS)[:MOST_SEGMENTS]).partition(".")
    name = TWINS.get(top, top) + dot + rest
    table = _table()
    if top in _WITH_CONSTANTS and rest.isupper():
        return None
    while name:
        if name in table:
            return table[name]
        name = name.rpartition(".")[0]
    return None


MOST_SEGMENTS = 12
"""No known name has so many."""

_LONGEST_CHAIN = 200
_WITH_CONSTANTS = frozenset({"socket", "subprocess", "signal", "ssl", "sqlite3"})
"""Modules in which names in capitals are numbers."""


def capability_within(name: str) -> Capability | None:
    """What `name` can do, also where the known name begins within it: ``torch.os.system``."""
    found = capability_of(name)
    segments = name.split(".")[-_LONGEST_CHAIN:]
    for place in range(1, len(segments)):
        if found is not None:
            return found
        top = segments[place].lstrip("_")
        if len(segments) - place > 1 and top in MACHINE_MODULES:
            found = capability_of(".".join([top, *segments[place + 1 :]]))
    return found


MACHINE_MODULES = frozenset(
    [
        "os",
        "posix",
        "nt",
        "sys",
        "subprocess",
        "shutil",
        "builtins",
        "importlib",
        "ctypes",
        "pickle",
        "marshal",
        "socket",
        "runpy",
        "pty",
    ]
)
"""Modules of which nearly every function reaches beyond the program, so that whoever gets one can do much."""
