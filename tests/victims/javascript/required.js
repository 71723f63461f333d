// A module that is stuck while it is required.
function load(name) {
  return require(name);
}
load('./required-part.js');
