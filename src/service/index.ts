export { HandedError } from './handed/index.ts';
export { UpgradeError, type UpgradeErrorCode } from './upgrade-error.ts';
export { createUpgrader } from './upgrader/create.ts';
export type { ListedDescriptor } from './upgrader/descriptor-table.ts';
export type { Descriptor, DescriptorsApi } from './upgrader/descriptors.ts';
export type { BindOptions, ListenOptions, UpgradeOptions, UpgraderOptions } from './upgrader/options.ts';
export type { ProgramOptions } from './upgrader/program.ts';
export type { DrainTotals, UpgradeDurations, UpgradeReport } from './upgrader/report.ts';
export type { ExitReason, Upgrader } from './upgrader/upgrader.ts';
