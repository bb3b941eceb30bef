import type { FindHanded, SupervisedBy, TellManagers, WatchServer } from '../seams.ts';

/** The rooms beside this one, as the upgrader asks them. */
export interface Parts {
  readonly findHanded: FindHanded;
  readonly tellManagers: TellManagers;
  readonly supervisedBy: SupervisedBy;
  readonly watchServer: WatchServer;
}

/** A process that nobody started but a user. */
export const ALONE: Parts = {
  findHanded: () => null,
  tellManagers: async () => {},
  supervisedBy: () => null,
  watchServer: () => ({ drained: new Promise(() => {}) }),
};
