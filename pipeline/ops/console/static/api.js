// Requests to the console's own server; what changes something carries the session's token.
export const session = {};

/** The JSON of a GET; throws {error, status}. */
export async function get(path) {
  return answered(await fetch(path, { headers: { Accept: "application/json" } }));
}

/** The JSON of an act. */
export async function act(method, path, body) {
  const headers = { "Content-Type": "application/json", "X-HEDX-Token": session.csrf ?? "" };
  return answered(await fetch(path, { method, headers, body: JSON.stringify(body ?? {}) }));
}

async function answered(response) {
  const told = await response.json().catch(() => ({ error: "no_answer" }));
  if (response.status === 401) location.assign("/sign-in");
  if (!response.ok) throw Object.assign(new Error(told.error), told, { status: response.status });
  return told;
}
