// thread: https://github.com/martian56/raven/issues/404
// title: run("cat", big input): all of stdin is written before anything reads stdout
// family: Rust std::process
// start: ./process_run
// parent: process_run
// child: cat
// verdict: deadlock
// stuck: cat write stdout
// other: process_run
// line: process_run.rs:feed
// needs: rustc
use std::io::Write;
use std::process::{Child, Command, Stdio};

#[inline(never)]
fn feed(child: &mut Child, text: &[u8]) {
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text).unwrap(); // HERE
}

fn main() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    //MEND std::thread::sleep(std::time::Duration::from_millis(1500));
    //MEND feed(&mut child, &vec![b'x'; 1000]);
    feed(&mut child, &vec![b'x'; 1000000]); // HANG
    child.wait_with_output().unwrap();
}
