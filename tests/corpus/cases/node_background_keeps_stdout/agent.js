// thread: https://github.com/PrimeIntellect-ai/prime-agent/issues/1198
// title: a tool call never completes: a process that it left behind keeps its stdout open
// family: agents' shell tools
// start: node agent.js
// parent: agent.js
// verdict: eof_never
// stuck: agent.js epoll_wait *
// other: sleep
// line: agent.js
// needs: node
const { spawn } = require('child_process')

//MEND const cell = spawn('sh', ['-c', 'sleep 1.7'])
const cell = spawn('sh', ['-c', 'sleep 30 & echo launched']) // HANG HERE
cell.stdout.resume()
cell.on('close', code => console.log('completed', code))
