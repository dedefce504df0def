// For compilers without libFuzzer: mutates the corpus for so many rounds, the same ones each time.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

std::vector<Bytes> corpus_of(const char* folder) {
    std::set<std::filesystem::path> paths;  // in order: a folder lists them as it likes
    for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.insert(entry.path());
    std::vector<Bytes> corpus;
    for (const auto& path : paths) {
        std::ifstream file(path, std::ios::binary);
        corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return corpus;
}

void mutate(Bytes& bytes, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
    const char nasty[] = "{}[]\",:\\u0123456789.-+eE \n\x7f\xc3\xff";
    const size_t at = bytes.empty() ? 0 : random() % bytes.size();
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const Bytes& other = corpus[random() % corpus.size()];
    const auto middle = other.begin() + static_cast<std::ptrdiff_t>(other.empty() ? 0 : random() % other.size());
    const uint8_t symbol = static_cast<uint8_t>(nasty[random() % (sizeof nasty - 1)]);
    switch (random() % 6) {
        case 0: bytes.insert(place, symbol); break;
        case 1: bytes.insert(place, middle, other.end()); break;
        case 2: bytes.resize(at); break;
        case 3: if (!bytes.empty()) bytes.erase(place); break;
        case 4: if (!bytes.empty()) *place = symbol; break;
        default: if (!bytes.empty()) *place = static_cast<uint8_t>(*place ^ 1U << random() % 8);
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s CORPUS ROUNDS\n", arguments[0]);
        return 2;
    }
    const std::vector<Bytes> corpus = corpus_of(arguments[1]);
    const long rounds = std::strtol(arguments[2], nullptr, 10);
    if (corpus.empty() || rounds <= 0) {
        std::fprintf(stderr, "nothing to do: %zu files, %ld rounds\n", corpus.size(), rounds);
        return 2;
    }
    std::mt19937_64 random(7);
    for (const Bytes& bytes : corpus) LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    for (long round = 0; round < rounds; ++round) {
        Bytes bytes = corpus[random() % corpus.size()];
        for (uint64_t change = 1 + random() % 4; change > 0; --change) mutate(bytes, corpus, random);
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%ld rounds\n", rounds);
    return 0;
}
