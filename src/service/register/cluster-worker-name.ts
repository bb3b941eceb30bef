/** The variable in which a worker of a cluster finds what its primary was told. */
export const CLUSTER_WORKER = 'ZERO_CLUSTER_WORKER';
