export { HandedError } from './handed/index.ts';
export { UpgradeError, type UpgradeErrorCode } from './upgrade-error.ts';
export type {
  BindOptions,
  ExitReason,
  ListenOptions,
  Upgrader,
  UpgraderOptions,
} from './upgrader/upgrader.ts';
export { createUpgrader } from './upgrader/upgrader.ts';
