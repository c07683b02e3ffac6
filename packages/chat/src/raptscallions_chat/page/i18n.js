// What the page says, in the language of the person. A further language is one more file in `languages`.

const STORED = "chat.language";
let words = {};
let plurals = new Intl.PluralRules("en");
export let language = "en";
let region = "en"; // the same language as it is written where the person is

/** The languages that there are: the names of the files. */
export const languages = () => document.documentElement.dataset.languages.split(" ");

/** Reads the words of the chosen language, else of the first of the browser's that there is. */
export async function loadLanguage() {
  const wanted = [localStorage.getItem(STORED), ...navigator.languages].filter(Boolean);
  const known = languages();
  const found = wanted.flatMap((tag) => [tag, tag.split("-")[0]]).find((tag) => known.includes(tag)) ?? "en";
  const read = async (tag) => (await fetch(new URL(`languages/${tag}.json`, import.meta.url))).json();
  // What a language does not say is said in English.
  const [english, chosen] = await Promise.all([read("en"), found === "en" ? {} : read(found)]);
  words = { ...english, ...chosen };
  language = found;
  region = navigator.languages.find((tag) => tag.split("-")[0] === found.split("-")[0]) ?? found;
  plurals = new Intl.PluralRules(found);
  document.documentElement.lang = found;
}

/** Chooses a language from now on. */
export function chooseLanguage(tag) {
  localStorage.setItem(STORED, tag);
  location.reload();
}

/** The text with this name; `{count}` also chooses between its forms for one and for many. */
export function t(name, values = {}) {
  let text = words[name] ?? name;
  if (typeof text === "object") text = text[plurals.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? values[key] : whole));
}

export const number = (value) => new Intl.NumberFormat(region).format(value);

/** A number in few characters, such as 128K. */
export const compact = (value) => new Intl.NumberFormat(region, { notation: "compact" }).format(value);

/** An amount in dollars, small ones with the digits that count. */
export function money(amount) {
  const value = Number(amount);
  const digits = value !== 0 && value < 0.01 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: value < 1 ? 3 : 2 };
  return new Intl.NumberFormat(region, { style: "currency", currency: "USD", ...digits }).format(value);
}

export const date = (moment) =>
  new Intl.DateTimeFormat(region, { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment));
