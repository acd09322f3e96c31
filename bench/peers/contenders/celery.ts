import { fileURLToPath } from "node:url";
import type { Contender } from "../contender.ts";
import { firstLine } from "../packages/import-peer.ts";
import { missingRedis, redisVersion, startRedis } from "../servers/redis.ts";
import { findProgram } from "../servers/server-process.ts";

const PROGRAM = fileURLToPath(new URL("./celery-program.py", import.meta.url));

/** Debian's packages are for Debian's Python, which may not be the first one in PATH. */
const PYTHON = (await findProgram("python3", ["/usr/bin"])) ?? "python3";
const VERSIONS =
  "import celery, kombu, redis; " +
  "print(f'Celery {celery.__version__}, kombu {kombu.__version__}, redis-py {redis.__version__}')";

const A_PROCESS = "a slot of its default pool is a process; more than the cores only costs memory";

/** Celery with the pool that it comes with. */
export const celeryContenders: readonly Contender[] = [
  {
    name: "celery",
    title: "Celery, Redis, AOF always, prefork 2",
    configuration:
      "Debian's Celery: prefork pool of 2, task_acks_late (a task survives its worker), prefetch " +
      "multiplier 64, results only where they are waited for, no gossip, mingle or heartbeat. " +
      "Redis: appendonly yes, appendfsync always.",
    program: { file: PYTHON, args: [PROGRAM] },
    concurrency: 2,
    cannot: {
      "drain-10": A_PROCESS,
      "drain-1000": A_PROCESS,
      progress: A_PROCESS,
      awaiting: "waiting for a result is for one thread at a time",
      delayed: "its workers hold delayed tasks in memory",
    },
    missing: missingCelery,
    versions: async () => [await firstLine(PYTHON, "-c", VERSIONS), await redisVersion()],
    start: () => startRedis("always"),
  },
];

async function missingCelery(): Promise<string | undefined> {
  const imported = await firstLine(PYTHON, "-c", VERSIONS).then(
    () => true,
    () => false,
  );
  if (imported) return missingRedis();
  return `${PYTHON} cannot import celery and redis; apt-get install python3-celery python3-redis`;
}
