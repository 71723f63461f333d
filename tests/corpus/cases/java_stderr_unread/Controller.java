// thread: https://github.com/brianchandotcom/liferay-portal/pull/178371
// title: only the output stream of a process is read, never the error stream
// family: Java ProcessBuilder
// start: java -XX:TieredStopAtLevel=1 Controller
// parent: java
// child: server.py
// verdict: deadlock|reader_away
// stuck: server.py write stderr
// other: Controller
// line: Controller.java:relay
// unmet: line
// needs: javac java
public class Controller {
    static void relay(Process process) throws Exception {
        process.getInputStream().readAllBytes(); // HERE
    }

    public static void main(String[] args) throws Exception {
        var builder = new ProcessBuilder("python3", "server.py");
        //MEND builder.redirectErrorStream(true);
        relay(builder.start());
    }
}
