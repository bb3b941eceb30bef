// slowest-answer SOCKET MS: requests the status from the control socket continuously until standard input ends. Prints
// the milliseconds of the slowest answer. An answer that is still missing counts as well.
import { get } from 'node:http';
import { text } from 'node:stream/consumers';

const [socketPath = '', every] = process.argv.slice(2);
let slowest = 0;
let isOver = false;
process.stdin.on('end', () => (isOver = true)).resume();
while (!isOver) {
  const begin = performance.now();
  await new Promise<void>((resolve, reject) => {
    get({ socketPath, path: '/v1/status', agent: false }, (response) => {
      text(response).then(() => resolve(), reject);
    }).on('error', reject);
  });
  slowest = Math.max(slowest, performance.now() - begin);
  await new Promise((resolve) => setTimeout(resolve, Number(every)));
}
console.log(slowest);
