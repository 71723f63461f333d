'use strict';
const stuck = require('./stuck.js');
const settings = { late: true };
if (settings.late) { stuck(); }
