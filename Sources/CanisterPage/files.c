// The compressed files come from build/page, where scripts/build-canister.sh makes them.
#include "CanisterPage.h"

static const unsigned char page[] = {
#embed "index.html.gz"
};
static const unsigned char style[] = {
#embed "page.css.gz"
};
static const unsigned char script[] = {
#embed "page.js.gz"
};
static const unsigned char canister[] = {
#embed "canister.js.gz"
};
static const unsigned char device[] = {
#embed "device.js.gz"
};
static const unsigned char browser[] = {
#embed "browser.wasm.gz"
};

struct CanisterPageFile canister_page_file(int index) {
    static const struct CanisterPageFile files[] = {
        {page, sizeof page},         {style, sizeof style},   {script, sizeof script},
        {canister, sizeof canister}, {device, sizeof device}, {browser, sizeof browser},
    };
    if (index < 0 || index >= (int)(sizeof files / sizeof files[0])) return (struct CanisterPageFile){0, 0};
    return files[index];
}
