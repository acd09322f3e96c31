/** Opens an app on the store that its argument names, or on none, and says what came of it. */
import { createApp } from "../../src/index.ts";

const [store] = process.argv.slice(2);
try {
  const app = await createApp(store === undefined ? {} : { store });
  console.log(JSON.stringify({ url: app.store.url }));
  await app.close();
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  console.log(JSON.stringify({ code, message }));
}
