//! A guest in C or C++ becomes a component: CMake from PyPI builds its module with Zig's clang. It must not know what the
//! SDKs for these languages are made of, but for the toolchain file that one of them has.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::{Ran, absolute, command, run_quietly, show};
use super::ziglang::{self, Ziglang};
use super::{BuildError, Progress, Toolchains, output_folder, write_component};

/// Builds the project in a folder that has a CMakeLists.txt, in a build folder of our own: the one that people build and test in
/// natively stays theirs. What the compiler says goes to standard error, warnings too.
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<PathBuf, BuildError> {
    let programs = toolchains
        .python("cmake", REQUIREMENTS, progress)?
        .join("bin");
    let zig = ziglang::installed(toolchains, progress)?;
    let output = absolute(&output_folder(folder)?);
    let tools = Tools {
        zig,
        programs,
        folder: absolute(folder),
        build: output.join("cmake"),
        modules: output.join("modules"),
    };
    progress("building the guest with CMake and Zig's clang");
    tools.configure(&output)?;
    tools.compile()?;
    if tools.modules().len() > 1 {
        // One may be left of an earlier build, under another name.
        let _ = fs::remove_dir_all(&tools.modules);
        tools.compile()?;
    }
    let core = tools.only_module()?;
    let path = output_folder(folder)?.join(core.file_name().unwrap_or_default());
    write_component(folder, &core, path)
}

/// Where everything is. CMake wants absolute paths.
struct Tools {
    zig: Ziglang,
    programs: PathBuf,
    folder: PathBuf,
    build: PathBuf,
    modules: PathBuf,
}

impl Tools {
    fn configure(&self, output: &Path) -> Result<(), BuildError> {
        let toolchain = output.join("wasm32.cmake");
        // What CMake once took from it, it keeps.
        let is_new = !fs::read(&toolchain).is_ok_and(|old| old == TOOLCHAIN_FILE.as_bytes());
        fs::write(&toolchain, TOOLCHAIN_FILE).map_err(|source| BuildError::Io {
            path: toolchain.clone(),
            source,
        })?;
        let define = |name: &str, path: &Path| {
            let mut argument = OsString::from(format!("-D{name}="));
            argument.push(path);
            argument
        };
        let configure = |fresh: Option<&str>| {
            run_quietly(
                self.cmake()
                    .args(fresh)
                    .args(["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-S"])
                    .arg(&self.folder)
                    .arg("-B")
                    .arg(&self.build)
                    .arg(define("CMAKE_MAKE_PROGRAM", &self.programs.join("ninja")))
                    .arg(define("CMAKE_TOOLCHAIN_FILE", &toolchain))
                    .arg(define("CMAKE_RUNTIME_OUTPUT_DIRECTORY", &self.modules))
                    .arg(define("WISTED_ZIG", &self.zig.program)),
            )
        };
        let mut ran = configure(is_new.then_some("--fresh"));
        if !is_new && matches!(ran, Ok(Ran::Failed(..))) {
            // The project or the tools may have moved, which a build folder does not survive.
            ran = configure(Some("--fresh"));
        }
        match ran.map_err(|source| self.not_started(source))? {
            Ran::Well => Ok(()),
            Ran::Missing => Err(self.not_started(std::io::ErrorKind::NotFound.into())),
            Ran::Failed(status, said) => {
                show(&said);
                Err(BuildError::Compile {
                    folder: self.folder.clone(),
                    tool: "cmake",
                    status,
                })
            }
        }
    }

    fn compile(&self) -> Result<(), BuildError> {
        let run = self
            .cmake()
            .arg("--build")
            .arg(&self.build)
            .args(["--", "--quiet"])
            // Ninja says there what compilers say. Our own standard output is the component's path, for whoever asked.
            .stdout(Stdio::from(std::io::stderr()))
            .status();
        let status = run.map_err(|source| self.not_started(source))?;
        if status.success() {
            return Ok(());
        }
        Err(BuildError::Compile {
            folder: self.folder.clone(),
            tool: "cmake --build",
            status,
        })
    }

    fn cmake(&self) -> Command {
        let mut cmake = command(&self.folder, self.programs.join("cmake"));
        for variable in FOR_NATIVE_CODE {
            cmake.env_remove(variable);
        }
        cmake
            .env("ZIG_GLOBAL_CACHE_DIR", &self.zig.cache)
            .env("ZIG_LOCAL_CACHE_DIR", &self.zig.cache);
        cmake
    }

    fn not_started(&self, source: std::io::Error) -> BuildError {
        BuildError::Io {
            path: self.programs.join("cmake"),
            source,
        }
    }

    fn modules(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.modules).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .filter(|path| path.extension().is_some_and(|ending| ending == "wasm"))
            .collect()
    }

    fn only_module(&self) -> Result<PathBuf, BuildError> {
        let mut modules = self.modules();
        match (modules.pop(), modules.len()) {
            (Some(module), 0) => Ok(module),
            (found, _) => Err(BuildError::Guest {
                folder: self.folder.clone(),
                problem: format!(
                    "CMake has built {} .wasm module; a guest's CMakeLists.txt says once: wisted_add_guest(NAME SOURCE…)",
                    if found.is_some() {
                        "more than one"
                    } else {
                        "no"
                    }
                ),
            }),
        }
    }
}

/// What people set for their own machine's compiler.
const FOR_NATIVE_CODE: [&str; 9] = [
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "CMAKE_GENERATOR",
    "CMAKE_TOOLCHAIN_FILE",
    "CMAKE_BUILD_TYPE",
];

/// CMake's, of the SDK for C.
const TOOLCHAIN_FILE: &str = include_str!("../../../guest-sdk/c/cmake/wasm32.cmake");

/// pip's pins, for each kind of machine that PyPI has wheels for.
const REQUIREMENTS: &str = include_str!("c/requirements.txt");

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(folder: &Path) -> Tools {
        Tools {
            zig: Ziglang {
                program: folder.join("zig"),
                cache: folder.join("cache"),
            },
            programs: folder.join("bin"),
            folder: folder.to_owned(),
            build: folder.join("cmake"),
            modules: folder.join("modules"),
        }
    }

    #[test]
    fn one_module_is_the_guest() {
        let folder = std::env::temp_dir().join(format!("wisted-c-{}", std::process::id()));
        let tools = tools(&folder);
        let problem = || tools.only_module().unwrap_err().to_string();
        assert!(problem().contains("no .wasm module"));
        fs::create_dir_all(&tools.modules).unwrap();
        fs::write(tools.modules.join("a.wasm"), "").unwrap();
        fs::write(tools.modules.join("a.txt"), "").unwrap();
        assert!(tools.only_module().unwrap().ends_with("a.wasm"));
        fs::write(tools.modules.join("b.wasm"), "").unwrap();
        assert!(problem().contains("more than one .wasm module"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn missing_tools_are_named() {
        let folder = std::env::temp_dir().join("wisted-c-no-tools");
        let error = tools(&folder).compile().unwrap_err().to_string();
        assert!(error.contains("bin/cmake"), "{error}");
    }
}
