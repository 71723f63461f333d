// thread: https://github.com/tokio-rs/tokio/issues/5526
// title: stdout is copied to its end before stderr is read at all
// family: Rust std::process
// start: ./capture
// parent: capture
// child: child.py
// verdict: deadlock
// stuck: child.py write stderr
// other: capture
// line: capture.rs:copy_logs
// needs: rustc
use std::io::{copy, sink};
use std::process::{Child, Command, Stdio};

#[inline(never)]
fn copy_logs(child: &mut Child) {
    //MEND let mut stderr = child.stderr.take().unwrap();
    //MEND std::thread::spawn(move || copy(&mut stderr, &mut sink()));
    copy(child.stdout.as_mut().unwrap(), &mut sink()).unwrap(); // HERE
    //MEND return;
    copy(child.stderr.as_mut().unwrap(), &mut sink()).unwrap(); // HANG
}

fn main() {
    let mut child = Command::new("python3").arg("child.py").stdout(Stdio::piped())
        .stderr(Stdio::piped()).spawn().unwrap();
    copy_logs(&mut child);
}
