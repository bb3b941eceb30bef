import { account, IS_ROOT } from '../../test/support/privileges.ts';
import { type Killed, killUnderLoad } from '../../test/support/survivor.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { withScope } from '../scope.ts';

const KILLS = 1_000;
const KILLS_AS_NOBODY = 200;
const DOUBLE_KILLS = 50;
/**
 * Number of kills of one service. Then a new one is started, so that the test's facts do not use more and more memory.
 */
const ROUND = 50;

export const survive: Measure = {
  name: 'survive',
  about: `The supervisor of a service with two workers is killed with SIGKILL at random moments, every third time during a reload, and started again by hand: ${KILLS} times, ${KILLS_AS_NOBODY} times as an ordinary user, and ${DOUBLE_KILLS} times together with its keeper. Clients with short and with keep-alive connections send requests all the time. The figure is the number of requests without an answer.`,
  measure: async (run) => [
    await measureKills(run, 'requests lost', KILLS, {}),
    ...(IS_ROOT
      ? [await measureKills(run, 'requests lost, as nobody', KILLS_AS_NOBODY, { as: account('nobody') })]
      : []),
    await measureKills(run, 'requests lost, the keeper killed, too', DOUBLE_KILLS, { keepers: true }),
  ],
};

async function measureKills(
  run: Run,
  name: string,
  kills: number,
  options: Pick<Parameters<typeof killUnderLoad>[1], 'as' | 'keepers'>,
): Promise<Figure> {
  const rounds: Killed[] = [];
  for (let done = 0; done < kills; done += ROUND) {
    const round = { ...options, kills: ROUND, seed: done + 1 };
    rounds.push(await withScope((scope) => killUnderLoad(scope, round)));
    run.progress(`${name}: ${done + ROUND} of ${kills} kills`);
  }
  return {
    name: `${name}, ${kills} kills`,
    unit: '',
    target: { atMost: 0 },
    values: [rounds.reduce((sum, { failed }) => sum + failed, 0)],
    samples: { sent: rounds.map(({ sent }) => sent), lost: rounds.map(({ failed }) => failed) },
  };
}
