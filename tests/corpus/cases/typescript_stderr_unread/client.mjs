// thread: https://github.com/Quack6765/Eidon-AI/pull/247
// title: a stdio MCP server that logs 256 KiB to stderr before it replies; the client reads stdout alone
// family: MCP
// start: node client.mjs
// parent: client.mjs
// child: server.py
// verdict: deadlock
// stuck: server.py write stderr
// other: client.mjs
// line: client.mjs
// needs: node
import { spawn } from 'node:child_process'

const server = spawn('python3', ['server.py']) // HERE
//MEND server.stderr.resume()
server.stdout.on('data', () => server.stdin.end())
server.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}\n')
