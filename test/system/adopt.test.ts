import { describe, it } from 'node:test';
import { adoptUnderLoad, compiled, gunicorn, nginx, node } from '../support/adoption.ts';
import { freeAddress } from '../support/free-address.ts';
import { startByHand } from '../support/running-service.ts';
import { DEADLINE } from '../support/zero.ts';

const PROGRAMS: Readonly<Record<string, typeof node>> = {
  'a Node server': node,
  'a C server': compiled,
  gunicorn,
  nginx,
};

describe('zero adopt', () => {
  for (const [title, make] of Object.entries(PROGRAMS)) {
    it(
      `takes over ${title}, reloads it, rolls back in the soak and loses no request`,
      DEADLINE,
      async (t) => {
        const address = await freeAddress();
        const program = make(t, address);
        if (program === null) return;
        const running = await startByHand(t, program.command, address, program);
        await adoptUnderLoad(t, program, running, address);
      },
    );
  }
});
