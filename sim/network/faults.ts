/** What can go wrong with single requests, as probabilities; a seed turns on some of them. */
export interface FaultRates {
  /** A request or an answer takes long, up to two seconds, so others overtake it. */
  readonly slow: number;
  /** Nobody listens; surely not applied. */
  readonly refuse: number;
  /** The request is lost. */
  readonly dropRequest: number;
  /** It is applied, and the answer is lost. */
  readonly dropReply: number;
  /** It arrives after its sender gave up, and maybe after a second copy of it. */
  readonly late: number;
  /** The store is out of space: the request is applied or not, and the answer is the same. */
  readonly full: number;
  /** A read shows the store as it was. */
  readonly stale: number;
  /** A watch delivers late, in small pieces. */
  readonly watchLag: number;
  /** A watch delivers nothing more and does not end. */
  readonly watchSilent: number;
  /** A lease is noticed to be over long after it is. */
  readonly leaseLate: number;
}

/** Nothing goes wrong. */
export const NO_FAULTS: FaultRates = {
  slow: 0,
  refuse: 0,
  dropRequest: 0,
  dropReply: 0,
  late: 0,
  full: 0,
  stale: 0,
  watchLag: 0,
  watchSilent: 0,
  leaseLate: 0,
};

/** The name of each fault of single requests. */
export const FAULTS = Object.keys(NO_FAULTS) as readonly (keyof FaultRates)[];
