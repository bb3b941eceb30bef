/** A running service cannot be adopted: what, why, and what to do. The service is as before. */
export class AdoptionError extends Error {}
