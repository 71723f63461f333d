let count = 0
const timer = setInterval(() => {
  for (let i = 0; i < 100; i++) console.log('hello... there ' + 'x'.repeat(200))
  //MEND if (++count === 170) clearInterval(timer)
}, 10)
