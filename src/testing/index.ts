export { type StoreCases, type StoreHarness, storeCases } from "../store/conformance/index.ts";
export {
  createMemoryStorage,
  type MemoryStorage,
  type MemoryStorageOptions,
  openMemoryStore,
} from "../store/memory/index.ts";
export { createSeededRandom } from "./seeded-random.ts";
export { createVirtualClock, VirtualClock } from "./virtual-clock.ts";
