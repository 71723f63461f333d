const stuck = require('./stuck.js');

function down(n) {
  if (n === 0) return stuck();
  return 1 + (n % 2 ? down(n - 1) : sideways(n));
}
function sideways(n) { return down(n - 1); }
down(400);
