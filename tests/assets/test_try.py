def test_x(trained):
    print(list(trained.home.rglob("*")))
    assert 0
