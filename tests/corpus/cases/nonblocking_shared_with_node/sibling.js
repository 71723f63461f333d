process.stdout.write('progress\n')
setTimeout(() => {}, 30000)
