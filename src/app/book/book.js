// The theme: the system's, or one of the two, remembered as on the site's other pages.
const button = document.getElementById("theme");
const [what, ...names] = button.dataset.words.split("|");
const THEMES = ["system", "light", "dark"];
const root = document.documentElement;
const remembered = () => root.dataset.theme || "system";

function dress(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  const unseen = document.createElement("span");
  unseen.className = "unseen";
  unseen.append(`${what}: `);
  button.replaceChildren(unseen, names[THEMES.indexOf(theme)]);
}

button.hidden = false;
button.addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(remembered()) + 1) % THEMES.length];
  dress(theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage may be forbidden: then it holds for this page.
  }
});
addEventListener("storage", ({ key, newValue }) => {
  if (key === "theme") dress(THEMES.includes(newValue) ? newValue : "system");
});
dress(THEMES.includes(remembered()) ? remembered() : "system");
