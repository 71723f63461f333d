// Logs more to stderr than its pipe takes, before it answers on stdout.
const fs = require('fs');

function log(text) {
  fs.writeSync(2, text);
}
function answer() {
  for (let i = 0; i < 100; i++)
    log('x'.repeat(4096));
  fs.writeSync(1, 'done\n');
}
answer();
