// thread: https://github.com/aheckmann/gm/pull/587
// title: ghostscript warns on stderr, which nobody reads, while its stdout is collected
// family: Node child_process
// start: node convert.js
// parent: convert.js
// child: gs
// verdict: deadlock|reader_away
// stuck: gs write stderr
// other: convert.js
// line: convert.js
// needs: node
const { spawn } = require('child_process')

const gs = spawn('./gs') // HERE
//MEND gs.stderr.resume()
const chunks = []
gs.stdout.on('data', chunk => chunks.push(chunk))
gs.on('close', () => console.log(Buffer.concat(chunks).length))
