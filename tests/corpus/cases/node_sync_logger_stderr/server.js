const fs = require('fs')

const log = line => fs.writeSync(2, line + '\n')
process.stdin.on('data', () => {
  for (let i = 0; i < 2000; i++) log('{"level":30,"time":1765,"msg":"container ' + i + ' is running"}')
  //MEND setTimeout(() =>
  process.stdout.write('answer\n')
  //MEND , 1500)
})
