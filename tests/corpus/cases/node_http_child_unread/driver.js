// thread: https://github.com/nodejs/node-v0.x-archive/issues/23949
// title: an HTTP server in a child logs to a stdout that is not read: requests spin for ever
// family: Node child_process
// start: node driver.js
// parent: driver.js
// child: server.py
// verdict: deadlock|reader_away
// stuck: server.py write stdout
// other: driver.js
// line: driver.js
// needs: node
const { spawn } = require('child_process')
const http = require('http')

const server = spawn('python3', ['server.py']) // HERE
//MEND server.stdout.resume()
server.stderr.once('data', text => {
  http.get({ port: Number(String(text)) }, answer => answer.resume().on('end', () => server.kill()))
})
