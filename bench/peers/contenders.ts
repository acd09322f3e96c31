import type { Contender } from "./contender.ts";
import { bullMqContenders } from "./contenders/bullmq.ts";
import { celeryContenders } from "./contenders/celery.ts";
import { etaskContenders } from "./contenders/etask.ts";
import { graphileContenders } from "./contenders/graphile.ts";
import { pgBossContenders } from "./contenders/pg-boss.ts";
import { rawEtcdContenders } from "./contenders/raw-etcd.ts";
import { rawLmdbContenders } from "./contenders/raw-lmdb.ts";

/** Everyone who takes part, in the order of each round. */
export const CONTENDERS: readonly Contender[] = [
  ...etaskContenders,
  ...bullMqContenders,
  ...graphileContenders,
  ...pgBossContenders,
  ...celeryContenders,
  ...rawEtcdContenders,
  ...rawLmdbContenders,
];

/** The contenders that others are compared with. */
export const BASELINES = ["etask-etcd", "etask-embedded"] as const;
