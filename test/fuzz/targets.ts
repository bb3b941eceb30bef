import type { Target } from './target.ts';
import { answers } from './targets/answers.ts';
import { config } from './targets/config.ts';
import { handed } from './targets/handed.ts';
import { history } from './targets/history.ts';
import { notify } from './targets/notify.ts';
import { output } from './targets/output.ts';
import { requests } from './targets/requests.ts';
import { state } from './targets/state.ts';

/** Every parser of input from outside, by its name. To be closed after use. */
export const TARGETS: Readonly<Record<string, () => Target>> = {
  config: () => config,
  requests,
  answers,
  notify: () => notify,
  state: () => state,
  history: () => history,
  handed: () => handed,
  output: () => output,
};
