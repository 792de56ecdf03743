node ../main.js
