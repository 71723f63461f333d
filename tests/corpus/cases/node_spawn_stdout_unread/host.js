// thread: https://github.com/nodejs/node/issues/4236
// title: a spawned script pauses after exactly 200 KB of stdout that has no listener
// family: Node child_process
// start: node host.js
// parent: host.js
// child: script.py
// verdict: deadlock|reader_away
// stuck: script.py write stdout
// other: host.js
// line: host.js
// needs: node
// quick: yes
const { spawn } = require('child_process')

const child = spawn('./script.py') // HERE
//MEND child.stdout.on('data', () => {})
child.on('exit', code => console.log('done', code))
