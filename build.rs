//! Keeps how the crate is built, for `build_info()`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The directory of the profile: OUT_DIR is <target>/<profile>/build/<crate>/out.
    let out = env::var("OUT_DIR").unwrap_or_default();
    let profile = out.rsplit('/').nth(3).unwrap_or("unknown").to_owned();
    println!("cargo::rustc-env=INRUSH_PROFILE={profile}");
    println!("cargo::rustc-env=INRUSH_TARGET={}", env::var("TARGET").unwrap_or_default());
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=INRUSH_RUSTC={}", version.unwrap_or_else(|_| "unknown".to_owned()));
}
