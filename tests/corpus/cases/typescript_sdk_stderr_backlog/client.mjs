// thread: https://github.com/modelcontextprotocol/typescript-sdk/issues/2776
// title: stderr: 'pipe' that nobody reads; a server in Node queues what the pipe does not take
// family: MCP
// start: node client.mjs
// parent: client.mjs
// child: server.mjs
// verdict: backlog|deadlock|reader_away
// stuck: server.mjs epoll_wait *
// other: client.mjs
// line: client.mjs
// needs: node
import { spawn } from 'node:child_process'

const server = spawn('node', ['server.mjs']) // HERE
//MEND server.stderr.resume()
server.stdout.on('data', () => server.stdin.end())
server.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n')
