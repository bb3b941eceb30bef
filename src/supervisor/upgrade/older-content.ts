import { errorText } from '../../common/errors.ts';
import type { VaultContent } from '../keeper/vault.ts';
import { DOWNGRADES, type Format, NEWEST, type Reads } from '../state-format/formats.ts';

/** Whether a zero that reads these versions may need an earlier one than this zero writes. */
export function readsOlder({ state, configs }: Reads): boolean {
  return state < NEWEST.state || configs < NEWEST.configs;
}

/**
 * The content of a vault in the versions that another zero reads. Pure. Throws Error if this zero cannot write them.
 */
export function contentFor(
  { state, generations }: VaultContent,
  reads: Reads,
  downgrades: typeof DOWNGRADES = DOWNGRADES,
): VaultContent {
  const textFor = (format: Format, text: string) => {
    const document = documentFor(format, JSON.parse(text), reads[format], downgrades[format]);
    return document === null ? text : JSON.stringify(document);
  };
  return {
    state: state && { ...state, text: textFor('state', state.text) },
    generations: generations && Buffer.from(textFor('configs', generations.toString())),
  };
}

/** null: the document stays unchanged. */
function documentFor(
  format: Format,
  newest: object & { readonly version: number },
  wanted: number,
  downgrades: (typeof DOWNGRADES)[Format],
): object | null {
  const { version } = newest;
  const refusal = (why: string) =>
    new Error(
      `the new zero needs version ${wanted} of the ${format}, which the running zero cannot write${why}. Install a release that reads version ${version}, or stop the service and start it with the new zero`,
    );
  let document: object | null = null;
  for (let from = version; from > wanted; from -= 1) {
    const downgrade = downgrades[from];
    if (downgrade === undefined) throw refusal('');
    try {
      document = downgrade(document ?? newest);
    } catch (error) {
      throw refusal(`: ${errorText(error)}`);
    }
  }
  return document;
}
