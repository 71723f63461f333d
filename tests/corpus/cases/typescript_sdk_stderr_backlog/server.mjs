import { createInterface } from 'node:readline'

createInterface({ input: process.stdin }).on('line', line => {
  for (let i = 0; i < 200; i++) process.stderr.write('log line '.repeat(5000) + '\n')
  //MEND setTimeout(() =>
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} }) + '\n')
  //MEND , 1500)
})
