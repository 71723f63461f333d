// thread: https://github.com/yegor256/jaxec/issues/168
// title: all of STDIN is written before STDOUT is drained: a large input and a chatty child deadlock
// family: Java ProcessBuilder
// start: java -XX:TieredStopAtLevel=1 Jaxec
// parent: java
// child: filter.py
// verdict: deadlock|reader_away
// stuck: filter.py write stdout
// other: Jaxec
// line: Jaxec.java:execUnsafe
// unmet: line
// needs: javac java
public class Jaxec {
    static void execUnsafe(Process process) throws Exception {
        //MEND new Thread(() -> { try { process.getInputStream().readAllBytes(); } catch (Exception e) { } }).start();
        try (var stdin = process.getOutputStream()) {
            stdin.write(new byte[3000000]); // HERE
        }
        System.exit(process.waitFor());
    }

    public static void main(String[] args) throws Exception {
        execUnsafe(new ProcessBuilder("python3", "filter.py").start());
    }
}
