/** What the placeholders of `args` stand for. */
export interface Placeholders {
  readonly generation: number;
  readonly worker: number;
  readonly listeners: readonly { readonly name: string; readonly target: number }[];
}

/** Replaces `${fd.NAME}`, `${generation}` and `${worker}`; any other `${...}` stays as it is, for the service's own use. */
export function substitute(text: string, placeholders: Placeholders): string {
  return text.replace(
    /\$\{(?:(generation|worker)|fd\.([^{}]+))\}/g,
    (whole, word?: string, name?: string) => {
      if (word === 'generation') return String(placeholders.generation);
      if (word === 'worker') return String(placeholders.worker);
      const listener = placeholders.listeners.find((one) => one.name === name);
      return listener === undefined ? whole : String(listener.target);
    },
  );
}
