import { watchServer } from '../drain/watch.ts';
import { findHanded } from '../handed/index.ts';
import { supervisedBy, tellManagers, tellReloading } from '../ready/index.ts';
import type { FindHanded, SupervisedBy, TellManagers, TellReloading, WatchServer } from '../seams.ts';

/** The functions of the library's other modules that the upgrader needs. */
export interface Parts {
  readonly findHanded: FindHanded;
  readonly tellManagers: TellManagers;
  readonly tellReloading: TellReloading;
  readonly supervisedBy: SupervisedBy;
  readonly watchServer: WatchServer;
}

export const PARTS: Parts = {
  findHanded,
  tellManagers,
  tellReloading,
  supervisedBy,
  watchServer,
};
