"""The scripts of our pages. Their texts never change: the Content-Security-Policy allows these and no others."""

# Reads what to keep from the element before it. An empty value takes the cookie away.
KEEP = """(() => {
  const kept = document.getElementById("hk-keep");
  if (!kept) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  for (const name of ["hk_colours", "hk_name"]) {
    const value = kept.getAttribute("data-" + name) || "";
    const age = value ? 31536000 : 0;
    document.cookie = name + "=" + value + "; Path=/; SameSite=Strict; Max-Age=" + age + secure;
  }
})();"""
# Before the browser leaves the page.
ASK = "window.onbeforeunload = event => event.preventDefault();"
DO_NOT_ASK = "window.onbeforeunload = null;"
ALL = (KEEP, ASK, DO_NOT_ASK)


def tag(script: str) -> str:
    """For `st.html(…, unsafe_allow_javascript=True)`. `script`: one of ALL."""
    if script not in ALL:
        raise ValueError("the Content-Security-Policy would not let it run")
    return f"<script>{script}</script>"
