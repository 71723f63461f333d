// The same call twice: before the functions on the way to it are compiled, and after.
const fs = require('fs');
const block = Buffer.alloc(200000);

function send(really) {
  let written = 0;
  if (really)
    written = fs.writeSync(9, block);
  return written;
}
function once(really) {
  return send(really) + 1;
}
function warm() {
  for (let i = 0; i < 200000; i++) once(false);
}
for (const round of [1, 2]) {
  once(true);
  warm();
}
