// thread: https://github.com/liamdarmody/rundock/pull/188
// title: a routine in Node whose output nobody reads never exits: its writes never complete
// family: Node child_process
// start: node scheduler.js
// parent: scheduler.js
// child: routine.js
// verdict: deadlock|reader_away
// stuck: routine.js epoll_wait *
// other: scheduler.js
// line: scheduler.js
// needs: node
const { spawn } = require('child_process')

const routine = spawn('node', ['routine.js'], { stdio: ['ignore', 'pipe', 'pipe'] }) // HERE
//MEND routine.stdout.resume()
routine.on('close', code => console.log('outcome', code))
