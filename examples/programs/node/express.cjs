const express = require('express');

const app = express();
app.get('/', (_request, response) => response.send('hello\n'));
app.listen(process.env.PORT ?? 8080);
