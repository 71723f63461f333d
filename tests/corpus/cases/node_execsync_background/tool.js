// thread: https://github.com/AaronCQL/pim-agent/pull/7
// title: `nohup server &; cat log`: the shell is gone, its pipes are open, drain() waits for ever
// family: agents' shell tools
// start: node tool.js
// parent: tool.js
// verdict: eof_never
// stuck: tool.js epoll_wait *
// other: sleep
// line: tool.js
// needs: node
const { execSync } = require('child_process')

let command = 'nohup sleep 30 & echo started' // HANG
//MEND let command = 'sleep 1.7'
function bash() {
  return execSync(command, { shell: 'bash' }) // HERE
}
bash()
