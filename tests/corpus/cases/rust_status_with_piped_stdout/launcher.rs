// thread: https://github.com/rust-lang/rust/issues/45572
// title: Command::status() with Stdio::piped(): nobody reads the pipe
// family: Rust std::process
// start: ./launcher
// parent: launcher
// child: printer.py
// verdict: deadlock
// stuck: printer.py write stdout
// other: launcher
// line: launcher.rs:run_printer
// needs: rustc
use std::process::{Command, Stdio};

#[inline(never)]
fn run_printer() {
    //MEND let _ = Command::new("python3").arg("printer.py").stdout(Stdio::piped()).output();
    let _ = Command::new("python3").arg("printer.py").stdout(Stdio::piped()).status(); // HANG HERE
}

fn main() {
    run_printer();
}
