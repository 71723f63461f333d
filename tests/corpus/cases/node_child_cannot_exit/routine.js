const lines = () => { for (let i = 0; i < 2000; i++) console.log('tool ' + i + ' is available: ' + 'x'.repeat(300)) }
//MEND setTimeout(lines, 1500)
lines() // HANG
