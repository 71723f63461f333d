// thread: https://github.com/enso-org/enso/issues/9549
// title: waitFor() of a process whose output is a pipe that is read afterwards
// family: Java ProcessBuilder
// start: java -XX:TieredStopAtLevel=1 Main
// parent: java
// child: generate_output.py
// verdict: deadlock|reader_away
// stuck: generate_output.py write stdout
// other: Main
// line: Main.java:main
// unmet: line
// needs: javac java
import java.util.List;

public class Main {
    public static void main(String[] args) throws Exception {
        var builder = new ProcessBuilder(List.of("python3", "generate_output.py", "20000"));
        var process = builder.start();
        //MEND process.getInputStream().readAllBytes();
        System.exit(process.waitFor()); // HERE
    }
}
